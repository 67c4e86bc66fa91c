/** The kinds of store that a remote_write can name: each has its own way to tell the units of one instance apart. */
export const STORES = ['victoriametrics', 'thanos', 'mimir', 'cortex', 'amp'] as const;

export type Store = (typeof STORES)[number];
