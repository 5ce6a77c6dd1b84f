"""Files of others: released checkpoints, the user's FLAME and DECA files, folders of NED.

Only the command line and `spfem.edit` import this room.
"""
