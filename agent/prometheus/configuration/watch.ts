import { dirname, join } from 'node:path';
import { watch, type FSWatcher } from 'chokidar';
import { errorCode } from '../../system/files.ts';
import { errorText } from '../../shared/text.ts';

/** Changes that come within this time of each other are one, */
const DEBOUNCE_MS = 100;
/** but no change waits longer than this for others. */
const LONGEST_DEBOUNCE_MS = 1_000;
/** Between looks where the kernel has no inotify to give. */
const POLLING_INTERVAL_MS = 1_000;
/** The sources are also read this often, with or without a notification. */
const ANYWAY_EVERY_MS = 60_000;

/** What the kernel says when it has no watches or instances left. */
const EXHAUSTED = new Set(['EMFILE', 'ENFILE', 'ENOSPC']);

export interface Watch {
  close(): Promise<void>;
}

/** What is watched, and what is called on a change. */
export interface WatchOptions {
  readonly file: string;
  readonly folder: string;
  readonly onChange: () => void;
  /** The kernel has no inotify to give: changes are looked for from time to time instead. */
  readonly onPolling: (reason: string) => void;
}

/**
 * Calls back once a file, or something in a folder, has changed and settled. The file is watched through its folder, so that it is noticed
 * when it is replaced, and when Kubernetes swaps the link (`..data`) that all files of a mounted volume go through.
 */
export function watchSources({ file, folder, onChange, onPolling }: WatchOptions): Watch {
  const parent = dirname(file);
  const isIgnored = (path: string): boolean => {
    const isOurs =
      path === parent || path === file || path.startsWith(join(parent, '..data')) || path.startsWith(folder);
    return !isOurs && path.startsWith(parent);
  };
  let timer: NodeJS.Timeout | undefined;
  let firstAtMs: number | undefined;
  let polling: FSWatcher | undefined;

  function changed(): void {
    const nowMs = performance.now();
    firstAtMs ??= nowMs;
    clearTimeout(timer);
    timer = setTimeout(settled, Math.min(DEBOUNCE_MS, Math.max(0, firstAtMs + LONGEST_DEBOUNCE_MS - nowMs)));
  }

  function settled(): void {
    firstAtMs = undefined;
    onChange();
  }

  function start(backend: 'auto' | 'polling'): FSWatcher {
    const watcher = watch([parent, folder], {
      backend,
      pollingInterval: POLLING_INTERVAL_MS,
      // 0 would lose what is in a folder that comes back after it was removed.
      depth: 1,
      ignored: isIgnored,
      followSymlinks: false,
      ignoreInitial: true,
      ignorePermissionErrors: true,
    });
    watcher.on('all', changed);
    watcher.on('error', (error) => {
      if (polling !== undefined || !EXHAUSTED.has(errorCode(error) ?? '')) return;
      polling = start('polling');
      onPolling(errorText(error));
      changed();
    });
    return watcher;
  }

  const first = start('auto');
  const anyway = setInterval(changed, ANYWAY_EVERY_MS);
  return {
    async close() {
      clearInterval(anyway);
      clearTimeout(timer);
      await Promise.all([first.close(), polling?.close()]);
    },
  };
}
