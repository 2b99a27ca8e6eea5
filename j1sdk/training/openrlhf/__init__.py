"""Training on a cluster, with OpenRLHF: GRPO by Ray, vLLM and DeepSpeed; SFT, DPO, reward models.

    [train]
    name = "openrlhf"
    tasks_per_step = 64
    rollouts = 4
    rewards = ["verdict-consistency"]
    cluster = { nodes = 1, gpus_per_node = 8 }

OpenRLHF itself is not changed and not imported: a run becomes data, an executor file and a command
line, which the installed version's own parser checks first.
"""
