"""Parts of a task done on a `dask.distributed` cluster: a scheduler at an address, or one started for the task.

Dask finds workers, sends parts to them and does again what a lost one had; nothing of that is made here. What travels
between its processes is pickled by Dask, in memory; nothing is pickled to disk. Workers read and write the same disk.
"""
