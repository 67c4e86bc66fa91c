import { execFile } from 'node:child_process';
import { errorCode } from '../files.ts';
import { errorText } from '../shared/text.ts';

/** A check of many rules takes a second or two; one that takes this long hangs. */
const CHECK_TIMEOUT_MS = 30_000;
const LARGEST_OUTPUT_BYTES = 1024 * 1024;
/** How much of what promtool says is kept. */
const KEPT_CHARACTERS = 2_000;

/**
 * Has promtool check a configuration with its rules. Returns what is wrong with it in promtool's words, or undefined. Rejects only when
 * the signal aborts.
 */
export function checkConfig(path: string, signal: AbortSignal): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const options = { timeout: CHECK_TIMEOUT_MS, maxBuffer: LARGEST_OUTPUT_BYTES, signal };
    execFile('promtool', ['check', 'config', path], options, (error, stdout, stderr) => {
      if (signal.aborted) reject(new Error('the check was given up', { cause: signal.reason }));
      else if (error === null) resolve(undefined);
      else if (errorCode(error) === 'ENOENT')
        resolve('promtool is missing: it comes with Prometheus and must be on the PATH');
      else resolve(failuresIn(`${stdout}\n${stderr}`) || errorText(error));
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
