"""A Kubernetes node whose containers are processes of this machine, in the manner of virtual-kubelet.

It takes every Pod that no scheduler placed, gives it a loopback address of its own (127.x.y.z), runs its containers as
local processes with exactly the Pod's environment, probes and restarts them, and reports the Pod's status; so a
Deployment becomes available, rolls and heals. There is no isolation: images are names that map to local programs,
security contexts and resource limits have no effect, and a Pod that mounts a Secret or a ConfigMap is refused.
"""

from playground.process_node.node import ProcessNode

__all__ = ["ProcessNode"]
