"""What networks are trained for, a file each (reimpl/train/task.py says what a task has).

A pretext task is a module here with `Task`, a PretextTask, and `Settings`, a settings.Pretext with what the task adds to it. The
settings are read without the rest of the file (harness/tasks.py), and so refer to harness, dataclasses and the Settings of other
tasks alone.
"""
