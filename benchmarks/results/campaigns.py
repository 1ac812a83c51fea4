"""What a campaign leaves: one JSON file with a row for each recipe, and the result files that it was made from."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from stormbench.benchmarks.results.documents import read_record, write_sealed
from stormbench.benchmarks.results.records import Count, Digest, PositiveCount, Record, Text
from stormbench.benchmarks.results.tradeoffs import Share

MAXIMAL_BYTES = 2**22


class Figure(Record):
    """A figure in percent: mean over seeds, 95 % interval of the bootstrap over images, and each seed's own value.

    Attributes:
        value: mean over the seeds.
        low: lower bound.
        high: upper bound.
        seeds: the value of each seed, in the campaign's order.
    """

    value: float
    low: float
    high: float
    seeds: Annotated[list[float], Field(min_length=1)]


class TrainedRow(Record):
    """One network: a recipe under one seed.

    Attributes:
        recipe: name.
        seed: of the training.
        weights: digest of the weights.
        epochs: that were run.
        seconds: of training, evaluations not counted.
        collapsed: the epoch in which catastrophic overfitting was found; 0 for none.
        clean: right answers on undisturbed test images.
        corrupted: wrong answers on all corrupted images; None where none were made.
        robust: right answers under the worst of all attacks for each image.
        attacks: right answers under each attack alone.
        verdict: of the attack's controls.
        results: names of the result files.
    """

    recipe: Text
    seed: Count
    weights: Digest
    epochs: PositiveCount
    seconds: Annotated[float, Field(ge=0)]
    collapsed: Count
    clean: Share
    corrupted: Share | None
    robust: Share
    attacks: dict[Text, Count]
    verdict: Text
    results: list[Text]


class RecipeRow(Record):
    """One recipe over all seeds.

    Attributes:
        recipe: name.
        digest: of the resolved recipe.
        source: paper and code.
        departures: from the source.
        trained_on: groups of test corruptions that were seen in training.
        passes: forward and backward passes per training image and step.
        total_passes: per training image, in the whole training.
        clean: accuracy.
        corrupted: mean error over all corrupted images; None where none were made.
        groups: mean error of each group of corruptions.
        unseen: mean error without the groups that were seen in training; None where none are left.
        robust: accuracy under the worst of all attacks for each image.
        gap: accuracy under the first attack (PGD) less that under all.
        less_standard: corruption error less that of ``standard`` on the same images; None without that row.
        less_pgd: robust accuracy less that of ``pgd-at`` on the same images; None without that row.
    """

    recipe: Text
    digest: Digest
    source: Text
    departures: list[Text]
    trained_on: list[Text]
    passes: Annotated[float, Field(gt=0)]
    total_passes: Annotated[float, Field(gt=0)]
    clean: Figure
    corrupted: Figure | None
    groups: dict[Text, Figure]
    unseen: Figure | None
    robust: Figure
    gap: Figure
    less_standard: Figure | None = None
    less_pgd: Figure | None = None


class Campaign(Record):
    """Recipes trained and evaluated alike.

    Attributes:
        name: of the campaign.
        arch: the network.
        train: name of the training images.
        train_fingerprint: of the training images.
        test: name of the test images.
        test_fingerprint: of the test images.
        suite: how test images were prepared, and where corruptions come from.
        norm: of the attacks.
        eps: their radius, for pixels in [0, 1].
        budget: how hard they tried.
        equal_passes: passes per training image that every recipe was given; None where each has its own epochs.
        seeds: of the trainings.
        rows: one a recipe.
        networks: one a recipe and seed.
        seal: digest of everything else in the file.
    """

    kind: Literal["campaign"] = "campaign"
    schema_version: Literal[1] = 1
    created: datetime
    name: Text
    arch: Text
    train: Text
    train_fingerprint: Digest
    test: Text
    test_fingerprint: Digest
    suite: Text
    norm: Literal["linf", "l2"]
    eps: Annotated[float, Field(gt=0)]
    budget: Text
    equal_passes: PositiveCount | None
    seeds: Annotated[list[Count], Field(min_length=1)]
    rows: Annotated[list[RecipeRow], Field(min_length=1)]
    networks: list[TrainedRow]
    seal: Digest | None = None


def write_campaign(unsealed: Campaign, path: Path) -> Campaign:
    """Seals and writes the file, whole or not at all, and returns the campaign as written."""
    return write_sealed(unsealed, path)


def read_campaign(path: Path) -> Campaign:
    """Reads and checks a campaign file.

    Raises:
        ResultError: there is no such file, it is too large, it is not a campaign, or it was changed.
    """
    return read_record(path, Campaign, "a campaign of schema 1", longest=MAXIMAL_BYTES)
