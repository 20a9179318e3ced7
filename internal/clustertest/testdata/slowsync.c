// A library to preload: while the file that FULFIL_SLOW_SYNC names exists, every write to disk takes as many milliseconds longer as
// the file says. Nothing else of the program changes.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void wait_for_disk(void) {
	const char *path = getenv("FULFIL_SLOW_SYNC");
	FILE *file = path ? fopen(path, "r") : NULL;
	int milliseconds = 0;
	if (!file)
		return;
	if (fscanf(file, "%d", &milliseconds) == 1)
		usleep(1000 * milliseconds);
	fclose(file);
}

int fsync(int fd) {
	int (*next)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
	wait_for_disk();
	return next(fd);
}

int fdatasync(int fd) {
	int (*next)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
	wait_for_disk();
	return next(fd);
}
