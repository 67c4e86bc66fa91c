import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { startAlertmanager } from '../support/alertmanager.ts';
import { temporaryFolder } from '../support/folder.ts';
import { startTwoUnits, type InstanceUnit } from '../support/two-units.ts';
import { until } from '../support/until.ts';

/** Fires until the app has a second unit. */
const RULES = `groups:
- name: shop
  rules:
  - {alert: TooFewUnits, expr: 'count by (job) (up{job="my-app"}) < 2', labels: {severity: page}}
`;

async function sentAlerts({ prometheus }: InstanceUnit): Promise<number> {
  const sent = /^prometheus_notifications_sent_total\S* (\d+)$/m.exec(await prometheus.metrics());
  return Number(sent?.[1] ?? 0);
}

describe('an alert of an instance with two units side by side', () => {
  it('fires, arrives and resolves in a real Alertmanager, which notifies once of each', async () => {
    await using folder = await temporaryFolder();
    await using alertmanager = await startAlertmanager(folder.path);
    await using units = await startTwoUnits({
      scrape_interval: '1s',
      external_labels: { env: 'prod' },
      rules: RULES,
      alertmanagers: [alertmanager.url],
      instance_alerts: 'off',
    });
    const { first, second, world } = units;
    for (const unit of [first, second])
      await until('the unit to send the alert', async () => (await sentAlerts(unit)) >= 1);
    await until('the notification', () => alertmanager.notifications.length >= 1);
    const alerts = [{ alertname: 'TooFewUnits', env: 'prod', job: 'my-app', severity: 'page' }];
    assert.deepEqual(alertmanager.notifications, [{ status: 'firing', alerts }]);
    const before = await alertmanager.received('resolved');
    await world.addUnits('my-app', 1);
    await until(
      'both units to tell that it is over',
      async () => (await alertmanager.received('resolved')) >= before + 2,
    );
    await until('the second notification', () => alertmanager.notifications.length >= 2);
    assert.deepEqual(alertmanager.notifications, [
      { status: 'firing', alerts },
      { status: 'resolved', alerts },
    ]);
  });
});
