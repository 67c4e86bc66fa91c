import { execFile } from 'node:child_process';
import { errorCode } from '../files.ts';
import { errorText } from '../shared/text.ts';

/** A check of many rules takes a second or two; one that takes this long hangs. */
const CHECK_TIMEOUT_MS = 30_000;
const LARGEST_OUTPUT_BYTES = 1024 * 1024;
/** How much of what promtool says is kept. */
const KEPT_CHARACTERS = 2_000;

/** What promtool says of a configuration. */
export type Check =
  | { readonly kind: 'valid' }
  /** In promtool's words. */
  | { readonly kind: 'refused'; readonly text: string }
  /** It says nothing: it is missing, was killed, or took too long. */
  | { readonly kind: 'failed'; readonly text: string };

/** Has promtool check configurations with their rules. Rejects only when the signal aborts. */
export type Promtool = (path: string, signal: AbortSignal) => Promise<Check>;

/** promtool is found on the PATH, with this environment and no other. */
export function createPromtool(environment: Readonly<Record<string, string>>): Promtool {
  return (path, signal) =>
    new Promise((resolve, reject) => {
      const options = { timeout: CHECK_TIMEOUT_MS, maxBuffer: LARGEST_OUTPUT_BYTES, signal, env: environment };
      execFile('promtool', ['check', 'config', path], options, (error, stdout, stderr) => {
        if (signal.aborted) reject(new Error('the check was given up', { cause: signal.reason }));
        else if (error === null) resolve({ kind: 'valid' });
        else if (errorCode(error) === 'ENOENT')
          resolve({ kind: 'failed', text: 'promtool is missing: it comes with Prometheus and must be on the PATH' });
        else if (typeof error.code !== 'number')
          resolve({ kind: 'failed', text: `promtool did not end its check: ${errorText(error)}` });
        else {
          const text = failuresIn(`${stdout}\n${stderr}`) || errorText(error);
          resolve({ kind: 'refused', text: `promtool refuses the new configuration: ${text}` });
        }
      });
    });
}

/** What failed, without the lines about what succeeded. */
function failuresIn(output: string): string {
  const lines = output.split('\n').map((line) => line.trimEnd());
  const failures = lines.filter(
    (line) => line !== '' && !/SUCCESS|WARNING.*does not exist|^Checking .*prometheus/.test(line),
  );
  return failures.join('\n').slice(0, KEPT_CHARACTERS).trim();
}
