"""The user study (Yang, section 4.1): a page that asks, the answers it gives, and the paper's Figure 4."""
