import { errorText } from '../../../agent/shared/text.ts';
import { TsuruError } from '../../../agent/shared/tsuru.ts';
import { checkBrokers } from './brokers.ts';
import { checkPlans, checkPools, checkVolumePlans } from './catalog.ts';
import { problem, type CheckOptions, type Finding, type Look } from './finding.ts';
import { checkImage } from './image.ts';
import { checkInstances } from './instances.ts';
import { checkPermissions } from './permissions.ts';
import { checkService } from './service.ts';
import { checkWebhook } from './webhook.ts';

/** In the order in which an administrator repairs them. Each is independent: one that fails hides no other. */
const LOOKS: readonly (readonly [what: string, look: Look])[] = [
  ["the broker's permissions", checkPermissions],
  ["Tsuru's plans", checkPlans],
  ["Tsuru's volume plans", checkVolumePlans],
  ['the pools', checkPools],
  ['the image of instances', checkImage],
  ['the service in Tsuru', checkService],
  ['the brokers', checkBrokers],
  ['the webhook', checkWebhook],
  ['the instances', checkInstances],
];

/** Looks at an installation through Tsuru, and changes nothing. */
export async function checkInstallation(
  options: CheckOptions,
  signal: AbortSignal,
  onProgress: (done: number, of: number, what: string) => void = () => undefined,
): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  for (const [index, [what, look]] of LOOKS.entries()) {
    onProgress(index + 1, LOOKS.length, what);
    try {
      findings.push(...(await look(options, signal)));
    } catch (error) {
      signal.throwIfAborted();
      findings.push(problem(`Failed to check ${what}: ${remedyOf(error)}.`));
      // Without Tsuru, or with a token that it rejects, nothing else can be known.
      if (error instanceof TsuruError && !isAnswered(error)) break;
    }
  }
  return findings;
}

function isAnswered({ failure }: TsuruError): boolean {
  return failure === 'refused' || failure === 'forbidden' || failure === 'not_found' || failure === 'bad_answer';
}

/** The client says already what to do about a certificate that is not trusted, and about a port without TLS. */
const HAS_ADVICE = /: set (CA_CERTIFICATES|TSURU_HOST) |: this port speaks no TLS/;

function remedyOf(error: unknown): string {
  // The message of a call to Tsuru has its cause.
  const text = (error instanceof TsuruError ? error.message : errorText(error)).replace(/\.$/, '');
  if (!(error instanceof TsuruError)) return text;
  switch (error.failure) {
    case 'unauthorized':
      return 'Tsuru rejects the token of the broker: create one with "tsuru token-create" and set it as TSURU_TOKEN';
    case 'network':
    case 'timeout':
      return HAS_ADVICE.test(text) ? text : `${text}: check TSURU_HOST, and that this machine reaches it`;
    default:
      return text;
  }
}
