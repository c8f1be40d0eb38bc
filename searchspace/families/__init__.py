"""One file or package per architecture family. Each defines FAMILY, and `searchspace.discover` finds it."""
