"""LSE-D and LSE-C: how far lips and sound are from each other, and how surely they belong together.

Windows and search are those of SyncNet; the network is learned here, on the actors that are not
edited, unless the released `syncnet_v2.model` is given.
"""
