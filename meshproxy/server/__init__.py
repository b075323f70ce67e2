"""`meshproxy run`: the control process and the workers it keeps."""
