/**
 * How Node is started for the agent where its memory counts: in the container, and wherever it is measured. Chosen by measurement; the
 * figures are in test/README.md, whose command a test compares with this.
 */
export const NODE_FLAGS = ['--max-semi-space-size=1', '--optimize-for-size'] as const;
export const NODE_ENVIRONMENT = {
  MALLOC_ARENA_MAX: '1',
  MALLOC_MMAP_THRESHOLD_: '32768',
  MALLOC_TRIM_THRESHOLD_: '65536',
} as const;
