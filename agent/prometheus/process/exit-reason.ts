import { ENDS_BY_REQUEST, lineText, type Ending } from './child.ts';

/** What a way to end is called in metrics. */
export const CRASHES = ['killed', 'panic', 'exit'] as const;
export type Crash = (typeof CRASHES)[number];

/** How Prometheus ended by itself, in a sentence for its user. */
export interface CrashReport {
  readonly kind: Crash;
  readonly text: string;
}

/** What Prometheus says when it aborts, and what to do about it: the first that fits. */
const REMEDIES: readonly { readonly says: RegExp; readonly remedy: string }[] = [
  {
    says: /no space left on device/i,
    remedy: 'its volume is full: choose a larger plan, or scrape fewer samples',
  },
  {
    says: /address already in use/i,
    remedy: 'another program listens there: end it, or set AGENT_PROMETHEUS_LISTEN to another port',
  },
  {
    says: /lock DB directory|resource temporarily unavailable/i,
    remedy: 'another Prometheus uses the same data: end it, or set AGENT_STORAGE_DIR to another folder',
  },
  {
    says: /permission denied|read-only file system/i,
    remedy: 'the folder of its data must be writable for the user that the agent runs as',
  },
  { says: /cannot allocate memory/i, remedy: 'there is too little memory: choose a larger plan' },
  {
    says: /unknown (long|short) flag|error parsing commandline/i,
    remedy: 'this version of Prometheus is not supported',
  },
  { says: /failed to execute/i, remedy: 'Prometheus must be on the PATH' },
  {
    says: /opening storage failed|corrupt|unexpected EOF|invalid magic number|invalid size|checksum mismatch/i,
    remedy:
      'its data are damaged: "tsuru app restart" of this app begins with an empty volume; on a volume of your own, move the block or segment that is named away',
  },
];

const ORDERLY = 'Prometheus ended in order with exit code 0, though the agent did not stop it';

/** Prometheus 2.42 and 3 write it differently. */
function whoseEnd(words: readonly string[]): string {
  const asked = words.find((line) => ENDS_BY_REQUEST.test(line));
  if (asked === undefined) return 'it does not say why';
  if (asked.includes('web service')) return 'a client called its /-/quit with the secret from AGENT_DATA_DIR/web';
  return 'another process sent it SIGTERM or SIGINT';
}

/** Says how Prometheus ended, why as far as it says so itself, and what to do; or what was done about it. */
export function describeEnding({ code, signal, lines, failure }: Ending, mended?: string): CrashReport {
  if (failure !== undefined) {
    return { kind: 'exit', text: `Prometheus cannot be started: ${failure}; is it on the PATH?` };
  }
  // A killed process writes no last line: what it wrote before is about something else.
  if (signal === 'SIGKILL') {
    return { kind: 'killed', text: 'Prometheus was killed, which is what the kernel does when memory runs out' };
  }
  const words = lines.map(lineText);
  if (code === 0) return { kind: 'exit', text: `${ORDERLY}: ${whoseEnd(words)}` };
  const panic = words.find((line) => /^(panic|fatal error): /.test(line));
  // It logs what it does while it ends after its error, so the last error counts.
  const error = lines.findLast(({ level }) => level === 'error');
  const said = panic ?? (error === undefined ? words.at(-1) : lineText(error));
  const remedy = mended ?? REMEDIES.find(({ says }) => said !== undefined && says.test(said))?.remedy;
  const how = signal === null ? `ended with exit code ${code ?? 'unknown'}` : `was ended by ${signal}`;
  const text = [`Prometheus ${how}`, said, remedy].filter((part) => part !== undefined).join('; ');
  return { kind: panic === undefined ? 'exit' : 'panic', text };
}
