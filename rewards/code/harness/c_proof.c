/* Linked around a program and its tests: takes the proof from stdin before main, and gives it back if main returned 0. */
#include <fcntl.h>
#include <unistd.h>

static char proof[256];
static ssize_t length;

__attribute__((constructor(101))) static void take(void) {
    int nothing;
    length = read(0, proof, sizeof proof);
    nothing = open("/dev/null", O_RDONLY);
    dup2(nothing, 0);
    close(nothing);
}

int __real_main(int argc, char **argv, char **envp);

int __wrap_main(int argc, char **argv, char **envp) {
    int code = __real_main(argc, argv, envp);
    if (code == 0 && length > 0 && write(1, proof, (size_t)length) != length) return 1;
    return code;
}

void __wrap___assert_fail(const char *assertion, const char *file, unsigned line, const char *function) {
    (void)assertion, (void)file, (void)line, (void)function;
    _exit(134);
}
