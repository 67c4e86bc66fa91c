import { watch } from 'node:fs';
import { basename, dirname } from 'node:path';

/** Now, on a clock that only goes forward and that all processes of a machine share. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** Notes the moments at which a file is put in place by a rename, as long as it is not disposed of. */
export function watchRenames(path: string): { readonly moments: readonly number[]; [Symbol.dispose](): void } {
  const moments: number[] = [];
  const watcher = watch(dirname(path), (event, name) => {
    if (event === 'rename' && name === basename(path)) moments.push(monotonicMs());
  });
  return {
    moments,
    [Symbol.dispose]() {
      watcher.close();
    },
  };
}
