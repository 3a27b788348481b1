"""The ledger: an append-only Merkle log beside the tables that say what its entries are about.

python -m safety.ledger audit                    find every edited, removed, added or reordered row
python -m safety.ledger checkpoint -o FILE       a signed checkpoint to keep elsewhere
python -m safety.ledger audit --against FILE     and that nothing before that checkpoint was rewritten
"""

from safety.ledger.checkpoint import Checkpoint, read_checkpoint
from safety.ledger.log import ConsistencyProof, InclusionProof, Ledger, LogEntry, TreeHead, timestamp

__all__ = [
    "Checkpoint",
    "ConsistencyProof",
    "InclusionProof",
    "Ledger",
    "LogEntry",
    "TreeHead",
    "read_checkpoint",
    "timestamp",
]
