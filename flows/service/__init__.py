"""The lasting service: Prefect's server, pools, deployments, automations and workers, and who may join it."""
