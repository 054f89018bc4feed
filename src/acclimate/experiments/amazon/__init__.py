"""The Amazon reviews table of Ganin et al., JMLR 2016, section 5.1: twelve tasks of sentiment."""
