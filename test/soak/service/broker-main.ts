// A broker as a program of its own, whose minutes pass faster: BROKER_SPEED times. For the soak alone. This file alone touches the process.
import { systemClock, type Clock } from '../../../agent/shared/clock.ts';
import { createLog } from '../../../agent/shared/log.ts';
import { startBroker } from '../../../broker/broker.ts';
import { readConfig } from '../../../broker/config.ts';

const { BROKER_SPEED, ...environment } = process.env;
const speed = Number(BROKER_SPEED);
const result = readConfig(environment);
if (!result.ok || !(speed >= 1)) {
  process.stderr.write(`${result.ok ? 'BROKER_SPEED must be 1 or more' : result.problems.join('\n')}\n`);
  process.exit(2);
}
const clock: Clock = {
  ...systemClock,
  nowMs: () => systemClock.nowMs() * speed,
  sleep: (durationMs, signal) => systemClock.sleep(durationMs / speed, signal),
};
const { config } = result;
const broker = await startBroker(config, createLog(config.logLevel, [config.tsuruToken, config.auth.password]), clock);
process.once('SIGTERM', () => void broker.stop());
