// Loaded before each file of tests (see package.json): ends one that does not end by itself, which Node's runner would wait for forever. A test
// that takes too long is only reported; what it has left open keeps its process. (--test-force-exit loses results: seen in Node 24.)

/** Six times what the longest file takes, and well inside the limit that CI sets to all of them. */
const FILE_LIMIT_MS = 900_000;

if (process.env['NODE_TEST_CONTEXT'] !== undefined) {
  setTimeout(() => {
    const open = process.getActiveResourcesInfo().join(', ');
    console.error(
      `${process.argv[1]} has not ended after ${FILE_LIMIT_MS / 60_000} minutes: it has left open ${open}.`,
    );
    process.exit(1);
  }, FILE_LIMIT_MS).unref();
}
