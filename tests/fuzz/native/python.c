/* Python with the sanitizers and libFuzzer linked in: extension modules built for either find their symbols here. */
#include <Python.h>

int main(int argc, char **argv) { return Py_BytesMain(argc, argv); }
