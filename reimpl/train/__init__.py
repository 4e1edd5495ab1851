"""How everything is trained: the contract of a task, the trainer, one step, what is random in it, the optimizers."""
