"""Program files on disk: reading, sections by LIEF."""
