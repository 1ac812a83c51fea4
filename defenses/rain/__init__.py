"""RAIN (Du et al. 2020, arXiv 2004.14798): random down-sampling, random shift, detail enhancement."""

__all__: list[str] = []
