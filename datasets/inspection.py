"""Decodes every image once and fingerprints the data set."""

from dataclasses import dataclass
from hashlib import blake2b

from stormbench.datasets import ImageSet
from stormbench.errors import BrokenImageError, DataError
from stormbench.execution import parallel
from stormbench.execution.parallel import Dask, Workers
from stormbench.execution.runner import Progress
from stormbench.execution.shards import Shard, split

_SHARD = 256


# Below this many images, starting worker processes takes longer than the inspect_images.
_WORTH_WORKERS = 2000


_NAMED_AT_MOST = 20


@dataclass(frozen=True)
class Inspection:
    """What was found.

    Attributes:
        fingerprint: digest over the identity, the bytes and the class of every sound image, in order.
        broken: for every image that cannot be decoded its index and the reason.
    """

    fingerprint: str
    broken: dict[int, str]


@dataclass(frozen=True)
class _InspectTask:
    images: ImageSet

    def __call__(self, shard: Shard) -> list[tuple[str, str]]:
        return [self._look(index) for index in range(shard.start, shard.stop)]

    def _look(self, index: int) -> tuple[str, str]:
        """The image's digest and an empty reason, or an empty digest and what is wrong with it."""
        try:
            self.images.read(index)
        except BrokenImageError as error:
            return "", str(error)
        return self.images.digest(index), ""


def inspect_images(images: ImageSet, *, workers: Workers, progress: Progress | None = None) -> Inspection:
    """Decodes every image once and takes the data set's fingerprint.

    Args:
        images: the data set.
        workers: number of worker processes, or a cluster.
        progress: called with the number of images done and the number of all.
    """
    found: dict[int, list[tuple[str, str]]] = {}
    done = 0
    workers = workers if isinstance(workers, Dask) or len(images) >= _WORTH_WORKERS else 0
    for shard, looks in parallel.run(_InspectTask(images), split(len(images), _SHARD), workers=workers):
        found[shard.start] = looks
        done += len(shard)
        if progress:
            progress(done, len(images))
    looks = [look for start in sorted(found) for look in found[start]]
    fingerprint = blake2b(digest_size=16)
    for key, label, (digest, reason) in zip(images.keys, images.labels, looks, strict=True):
        if not reason:
            fingerprint.update(f"{key}\x1f{images.classes[label]}\x1f{digest}\n".encode(errors="surrogateescape"))
    return Inspection(fingerprint.hexdigest(), {index: reason for index, (_, reason) in enumerate(looks) if reason})


def decodable_images(images: ImageSet, found: Inspection, *, skip_broken: bool) -> ImageSet:
    """The images that can be decoded.

    Raises:
        DataError: some cannot, and ``skip_broken`` is not set, or none can; the message names them.
    """
    if found.broken and not skip_broken:
        reasons = list(found.broken.values())
        more = f"\n  and {len(reasons) - _NAMED_AT_MOST} more" if len(reasons) > _NAMED_AT_MOST else ""
        listed = "".join(f"\n  {reason}" for reason in reasons[:_NAMED_AT_MOST])
        raise DataError(
            f"{len(reasons)} of {len(images)} images cannot be decoded; mend them or pass --skip-broken:{listed}{more}"
        )
    if len(found.broken) == len(images):
        raise DataError(f"{images.name} has no image that can be decoded")
    return images.subset([index for index in range(len(images)) if index not in found.broken])


def names_fingerprint(images: ImageSet) -> str:
    """Digest over the identity and the class of every image, in order; no image is read."""
    digest = blake2b(digest_size=16)
    for key, label in zip(images.keys, images.labels, strict=True):
        digest.update(f"{key}\x1f{images.classes[label]}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()
