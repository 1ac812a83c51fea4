"""Fields of a turned chessboard."""

from stormbench.corruptions.kernels.compiled import compiled


@compiled
def cut_out(image, cosine, sine, side, chosen):  # type: ignore[no-untyped-def]
    """Makes the chosen fields grey, of those whose row and column are both even or both odd.

    Args:
        image: (H, W, 3), uint8, overwritten.
        cosine: of the board's angle.
        sine: likewise.
        side: of a field, pixels.
        chosen: (n, n), by the field's numbers cut off towards zero; negative ones count from the end.
    """
    height, width = image.shape[:2]
    for y in range(height):
        for x in range(width):
            row, column = (cosine * y + sine * x) / side, (-sine * y + cosine * x) / side
            if int(row % 2.0) == int(column % 2.0) and chosen[int(row), int(column)]:
                image[y, x] = 128
