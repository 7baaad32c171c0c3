"""The web page: one file's prediction with its reasons, and a loop that labels files and trains again."""
