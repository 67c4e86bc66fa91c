import { asObject, asOptionalArray, asOptionalText, isObject, parseJson } from '../../../agent/shared/shape.ts';
import { compareText, listNames } from '../../../agent/shared/text.ts';
import { EVENT_KINDS, EVENTS_PATH, WEBHOOK_BODY } from '../../tsuru/webhook.ts';
import { good, problem, type CheckOptions, type Finding } from './finding.ts';

interface Webhook {
  readonly name: string;
  readonly url: string;
  readonly authorization: string;
  readonly body: string;
  readonly targetTypes: readonly string[];
  readonly kindNames: readonly string[];
  readonly isNarrowed: boolean;
}

const SETUP = 'run "broker setup" again, or see "Set it up" in broker/README.md';

/** Whether Tsuru has one webhook that calls this service's brokers, and no other. Any valid token may list webhooks. */
export async function checkWebhook(
  { context: { tsuru, service }, eventsToken }: CheckOptions,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const { chunks, status } = await tsuru.get('webhooks', '/1.6/events/webhooks', signal);
  const all = asOptionalArray(status === 204 ? undefined : parseJson(chunks), 'the list of webhooks')
    .map(readWebhook)
    .sort((a, b) => compareText(a.name, b.name));
  if (eventsToken === undefined) {
    return [problem(`BROKER_EVENTS_TOKEN is not set, so changes of apps arrive with the next poll only: ${SETUP}.`)];
  }
  const expected = `Bearer ${eventsToken}`;
  const own = all.filter(({ authorization }) => authorization === expected);
  const [hook, ...others] = own;
  if (hook === undefined) {
    const named = all.find(({ name }) => name === service);
    return [
      problem(
        named === undefined
          ? `Tsuru has no webhook with the token of BROKER_EVENTS_TOKEN, so changes of apps arrive with the next poll only: ${SETUP}.`
          : `The webhook ${named.name} sends another token than BROKER_EVENTS_TOKEN, so the broker refuses its events: ${SETUP}.`,
      ),
    ];
  }
  const problems = [...(others.length === 0 ? [] : [twice(own)]), ...problemsOf(hook)];
  return problems.length === 0
    ? [good(`Tsuru has the webhook ${hook.name}, which sends the events of apps to the broker.`)]
    : problems.map(problem);
}

function twice(hooks: readonly Webhook[]): string {
  const names = hooks.map(({ name }) => name);
  return `Tsuru has ${names.length} webhooks for this broker (${listNames(names, 5)}), and asks it as often for each event: remove all but one with "tsuru event-webhook-delete".`;
}

function problemsOf({ name, url, body, targetTypes, kindNames, isNarrowed }: Webhook): readonly string[] {
  const path = URL.canParse(url) ? new URL(url).pathname : '';
  const missing =
    kindNames.length === 0 ? [] : EVENT_KINDS.filter((kind) => !kindNames.some((one) => covers(one, kind)));
  return [
    ...(path.endsWith(EVENTS_PATH)
      ? []
      : [`The webhook ${name} calls another place than ${EVENTS_PATH} of a broker: ${SETUP}.`]),
    ...(missing.length > 0 || isNarrowed || (targetTypes.length > 0 && !targetTypes.includes('app'))
      ? [
          `The webhook ${name} leaves out events of apps${missing.length > 0 ? ` (${missing.join(', ')})` : ''}: ${SETUP}.`,
        ]
      : []),
    ...(body === WEBHOOK_BODY
      ? []
      : [`The webhook ${name} has another body than the broker reads, which may hold logs and addresses: ${SETUP}.`]),
  ];
}

function covers(held: string, kind: string): boolean {
  return held === kind || kind.startsWith(`${held}.`);
}

function readWebhook(value: unknown): Webhook {
  const hook = asObject(value, 'a webhook');
  const filter = isObject(hook['event_filter']) ? hook['event_filter'] : {};
  const headers = isObject(hook['headers']) ? hook['headers'] : {};
  const texts = (list: unknown): readonly string[] =>
    asOptionalArray(list, 'a filter').map((text) => asOptionalText(text, 'a filter'));
  const [, values] = Object.entries(headers).find(([name]) => name.toLowerCase() === 'authorization') ?? [];
  return {
    name: asOptionalText(hook['name'], 'name'),
    url: asOptionalText(hook['url'], 'url'),
    authorization: texts(values)[0] ?? '',
    body: asOptionalText(hook['body'], 'body'),
    targetTypes: texts(filter['target_types']),
    kindNames: texts(filter['kind_names']),
    isNarrowed:
      texts(filter['target_values']).length > 0 || filter['error_only'] === true || filter['success_only'] === true,
  };
}
