import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { request } from 'undici';
import { asArray, asObject } from '../../agent/shared/shape.ts';
import { freeHostPort } from './address.ts';
import { startProgram } from './program.ts';
import { until } from './until.ts';

/** What Alertmanager says to who is on call. */
export interface Notification {
  readonly status: string;
  /** The labels of each alert in it. */
  readonly alerts: readonly Readonly<Record<string, unknown>>[];
}

/** A real Alertmanager that notifies at once. */
export interface RunningAlertmanager extends AsyncDisposable {
  readonly url: string;
  readonly notifications: readonly Notification[];
  /** How many alerts it was sent, by its own count. */
  received(status: string): Promise<number>;
}

export async function startAlertmanager(folder: string): Promise<RunningAlertmanager> {
  const stack = new AsyncDisposableStack();
  const notifications: Notification[] = [];
  const webhook = createServer((incoming, response) => {
    void readBody(incoming).then((body) => {
      notifications.push(readNotification(body));
      response.end();
    });
  });
  const [host = '', port = ''] = (await freeHostPort()).split(':');
  webhook.listen(Number(port), host);
  await once(webhook, 'listening');
  stack.defer(async () => {
    webhook.closeAllConnections();
    webhook.close();
    await once(webhook, 'close');
  });
  const config = join(folder, 'alertmanager.json');
  // JSON is YAML. Without group_by, all alerts of the test are one group.
  await writeFile(
    config,
    JSON.stringify({
      route: { receiver: 'on-call', group_wait: '1s', group_interval: '1s', repeat_interval: '1h' },
      receivers: [{ name: 'on-call', webhook_configs: [{ url: `http://${host}:${port}/`, send_resolved: true }] }],
    }),
  );
  const address = await freeHostPort();
  const url = `http://${address}`;
  const program = startProgram({
    command: 'prometheus-alertmanager',
    args: [
      `--config.file=${config}`,
      `--storage.path=${join(folder, 'alertmanager')}`,
      `--web.listen-address=${address}`,
      // One machine: no cluster.
      '--cluster.listen-address=',
    ],
  });
  stack.defer(async () => {
    await program.stop();
  });
  await until('Alertmanager to be ready', async () => {
    if (program.exited) throw new Error(`Alertmanager ended: ${program.lines.slice(-3).join(' / ')}`);
    const { statusCode, body } = await request(`${url}/-/ready`);
    await body.dump();
    return statusCode === 200;
  });
  return {
    url,
    notifications,
    async received(status) {
      const { body } = await request(`${url}/metrics`);
      const lines = (await body.text()).split('\n');
      return lines
        .filter((line) => line.startsWith(`alertmanager_alerts_received_total{status="${status}"`))
        .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

async function readBody(stream: AsyncIterable<unknown>): Promise<string> {
  let text = '';
  for await (const chunk of stream) text += String(chunk);
  return text;
}

function readNotification(body: string): Notification {
  const { status, alerts } = asObject(JSON.parse(body), 'notification');
  const labels = asArray(alerts, 'alerts').map((alert) => asObject(asObject(alert, 'alert')['labels'], 'labels'));
  return { status: String(status), alerts: labels };
}
