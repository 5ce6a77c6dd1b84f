"""Folders of NED and SCMCL: preprocessed clips read from them, and written for them."""
