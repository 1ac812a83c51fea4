"""ImageNet-P: a model on perturbation sequences, and the sequences as files."""

import lazy_loader

# These need torch, which takes seconds to import: not before somebody asks for them.
__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "results": ["SequenceResult", "read_sequence_result"],
        "scoring": ["score_sequences"],
        "suites": ["SEQUENCE_SUITES", "SequenceSuite"],
        "summary": ["summarise_sequences"],
    },
)
