"""A rollout on processes: each is stopped as a kubelet would, and replaced, while callers and jobs go on."""
