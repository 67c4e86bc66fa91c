import type { TsuruEvent } from './events.ts';
import { goLogTime, ZERO_TIME } from './go.ts';

/** Kinds of events that can be cancelled in Tsuru; here nobody can. */
const CANCELABLE = ['app.deploy', 'app.update.restart', 'app.update.start', 'app.update.stop', 'app.update.unit'];

/** The keys of Tsuru's own events, as webhooks send them; what the local one does not keep is empty. */
export function eventJson(event: TsuruEvent, serverUrl: string): Record<string, unknown> {
  const { target, extraTargets, kind, owner, log } = event;
  const contexts = event.contexts.map(({ type, value }) => ({ CtxType: type, Value: value }));
  const isCancelable = CANCELABLE.some((name) => kind === name || kind.startsWith(`${name}.`));
  return {
    UniqueID: event.id,
    Lock: event.running ? targetJson(target) : null,
    StartTime: event.startTime.toISOString(),
    EndTime: event.endTime?.toISOString() ?? ZERO_TIME,
    ExpireAt: ZERO_TIME,
    Target: targetJson(target),
    ExtraTargets:
      extraTargets.length === 0 ? null : extraTargets.map((extra) => ({ Target: targetJson(extra), Lock: true })),
    Kind: { Type: 'permission', Name: kind },
    Owner: { Type: owner.type, Name: owner.name },
    SourceIP: '127.0.0.1',
    LockUpdateTime: event.startTime.toISOString(),
    Error: event.error,
    Log: log.map(({ date, message }) => `${goLogTime(date)}: ${message}`).join(''),
    StructuredLog:
      log.length === 0 ? null : log.map(({ date, message }) => ({ Date: date.toISOString(), Message: message })),
    CancelInfo: { Owner: '', StartTime: ZERO_TIME, AckTime: ZERO_TIME, Reason: '', Asked: false, Canceled: false },
    Cancelable: isCancelable,
    Running: event.running,
    Allowed: { Scheme: readPermission(event), Contexts: contexts },
    AllowedCancel: isCancelable
      ? { Scheme: `${target.type}.update.events`, Contexts: contexts }
      : { Scheme: '', Contexts: null },
    Instance: instanceJson(serverUrl),
  };
}

export function readPermission({ target }: TsuruEvent): string {
  return `${target.type}.read.events`;
}

function targetJson({ type, value }: TsuruEvent['target']): Record<string, string> {
  return { Type: type, Value: value };
}

/** Which tsurud ran the event. */
function instanceJson(serverUrl: string): Record<string, unknown> {
  const { hostname, port } = new URL(serverUrl);
  const LastUpdate = new Date().toISOString();
  return { Name: 'local-tsuru', Port: port, TLSPort: '', Addresses: [hostname], LastUpdate };
}
