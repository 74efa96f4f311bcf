"""A content-addressed store of intermediate results."""

from pst_core.store.home import pst_home
from pst_core.store.layout import DamagedFile, Receipt, Reference, StoreMiss
from pst_core.store.store import Store, open_store

__all__ = ["DamagedFile", "Receipt", "Reference", "Store", "StoreMiss", "open_store", "pst_home"]
