"""The paper from end to end (Huo et al. 2022): configs/paper, run by the command `paper` (`./reproduce`)."""
