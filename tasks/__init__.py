"""Middle floor: the steps of a pair as Prefect tasks, each kept by its content, retried, and thin."""
