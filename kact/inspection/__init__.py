"""For a person to look at: a finished `run` and a `task`, in figures; `task_facts` are the numbers of the latter."""
