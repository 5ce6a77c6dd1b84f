"""Corpora of recordings, used where they lie and never written to.

`listing.list_recordings` makes a corpus of a folder, `survey.survey_folder` tells what is in it:
the folder is walked, its layout recognised (MEAD, RAVDESS, the processed layout of ASCCL, a table
`clips.csv`, or a corpus list), and every clip checked.
"""
