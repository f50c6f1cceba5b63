"""One file or folder a method, behind one small protocol."""
