import { lineText, type Ending } from './child.ts';

/** What a way to end is called in metrics. */
export const CRASHES = ['killed', 'panic', 'exit'] as const;
export type Crash = (typeof CRASHES)[number];

/** How Prometheus ended when nobody told it to, in words for its user. */
export interface CrashReport {
  readonly kind: Crash;
  readonly text: string;
}

/** What Prometheus says when it gives up, and what to do about it. */
const REMEDIES: readonly { readonly says: RegExp; readonly remedy: string }[] = [
  {
    says: /no space left on device/i,
    remedy: 'its volume is full: choose a larger plan, or scrape fewer samples',
  },
  {
    says: /opening storage failed|corrupt|unexpected EOF|invalid magic number|checksum mismatch/i,
    remedy:
      'its data are damaged: "tsuru app restart" of this app begins with an empty volume; on a volume of your own, move the block or segment that is named away',
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
    says: /unknown (long|short) flag|error parsing commandline/i,
    remedy: 'this version of Prometheus is not supported',
  },
  { says: /failed to execute/i, remedy: 'Prometheus must be on the PATH' },
  { says: /permission denied/i, remedy: 'the folder of its data must be writable for the user that the agent runs as' },
];

/** Says how Prometheus ended, why as far as it says so itself, and what to do. */
export function describeEnding({ code, signal, lines, failure }: Ending): CrashReport {
  if (failure !== undefined) {
    return { kind: 'exit', text: `Prometheus cannot be started: ${failure}; is it on the PATH?` };
  }
  const words = lines.map(lineText);
  const panic = words.find((line) => /^(panic|fatal error): /.test(line));
  // It logs what it does while it ends after its error, so the last error counts.
  const reason = panic ?? lines.findLast(({ level }) => level === 'error')?.message;
  const said = reason === undefined ? words.at(-1) : words.findLast((line) => line.startsWith(reason));
  const remedy = REMEDIES.find(({ says }) => words.some((line) => says.test(line)))?.remedy;
  const how =
    signal === 'SIGKILL'
      ? 'was killed, which is what the kernel does when memory runs out'
      : signal === null
        ? `ended with exit code ${code ?? 'unknown'}`
        : `was ended by ${signal}`;
  const text = [`Prometheus ${how}`, said, remedy].filter((part) => part !== undefined).join('; ');
  return { kind: signal === 'SIGKILL' ? 'killed' : panic === undefined ? 'exit' : 'panic', text };
}
