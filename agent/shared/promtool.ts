import { execFile } from 'node:child_process';
import { errorText, shortLine } from './text.ts';

/** A check of many rules takes a second or two; one that takes this long hangs. */
const CHECK_TIMEOUT_MS = 30_000;
const LARGEST_OUTPUT_BYTES = 1024 * 1024;
/** How much of what promtool says is kept. */
const KEPT_CHARACTERS = 2_000;

/** What promtool says of a file. */
export type Check =
  | { readonly kind: 'valid' }
  /** In promtool's message. */
  | { readonly kind: 'refused'; readonly text: string }
  /** It says nothing: it is missing, was killed, or took too long. */
  | { readonly kind: 'failed'; readonly text: string };

/** Has promtool check a configuration with the rules that it names, or a file of rules. Rejects only when the signal aborts. */
export type Promtool = (what: 'config' | 'rules', path: string, signal: AbortSignal) => Promise<Check>;

/** promtool is found on the PATH, with this environment and no other. */
export function createPromtool(environment: Readonly<Record<string, string>>): Promtool {
  return (what, path, signal) =>
    new Promise((resolve, reject) => {
      const options = { timeout: CHECK_TIMEOUT_MS, maxBuffer: LARGEST_OUTPUT_BYTES, signal, env: environment };
      execFile('promtool', ['check', what, path], options, (error, stdout, stderr) => {
        if (signal.aborted) reject(new Error('the check was given up', { cause: signal.reason }));
        else if (error === null) resolve({ kind: 'valid' });
        else if (error.code === 'ENOENT')
          resolve({ kind: 'failed', text: 'promtool is missing: it comes with Prometheus and must be on the PATH' });
        else if (typeof error.code !== 'number')
          resolve({ kind: 'failed', text: `promtool did not end its check: ${errorText(error)}` });
        else resolve({ kind: 'refused', text: failuresIn(`${stdout}\n${stderr}`) || errorText(error) });
      });
    });
}

/** Lines that tell of no failure: progress, what the log of Prometheus' libraries has, and duplicate rules, which are allowed. */
const NO_FAILURE =
  /^$|SUCCESS|^Checking |WARNING.*does not exist|^time=|^lint error|^Metric: |^Label\(s\):|^Might cause inconsistency/;

/** What failed, as one line: files by their names, and each failure once. */
export function failuresIn(output: string): string {
  const failures = new Set<string>();
  let file = '';
  for (const line of output.split('\n')) {
    const text = line
      .trim()
      .replace(/^FAILED:\s*/, '')
      // The file's name helps; its path in the container does not.
      .replace(/^(?:parsing YAML file )?\/(?:[^\s:]+\/)?/, '');
    if (NO_FAILURE.test(text)) continue;
    const head = /^(.*)yaml: unmarshal errors:$/.exec(text);
    if (head !== null) file = head[1] ?? '';
    else failures.add(/^line \d+: /.test(text) ? `${file}${text}` : text);
  }
  return shortLine([...failures].join('; '), KEPT_CHARACTERS);
}
