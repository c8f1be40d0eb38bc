"""One file or package per architecture family. Each defines FAMILY, which `searchspace.discover` finds."""
