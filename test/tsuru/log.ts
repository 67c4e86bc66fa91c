import type { LogLine } from './state.ts';

/** The log of one app: its last lines, and whoever follows it. */
export interface AppLog {
  add(line: Omit<LogLine, 'date'>): void;
  last(count: number, wanted: (line: LogLine) => boolean): readonly LogLine[];
  /** Calls back for each line to come, until the returned function is called. */
  follow(onLine: (line: LogLine) => void): () => void;
}

export type Logs = (app: string) => AppLog;

const KEPT_LINES = 1000;

export function createLogs(): Logs {
  const logs = new Map<string, AppLog>();
  return (app) => {
    const log = logs.get(app) ?? createLog();
    logs.set(app, log);
    return log;
  };
}

function createLog(): AppLog {
  const lines: LogLine[] = [];
  const followers = new Set<(line: LogLine) => void>();
  return {
    add(added) {
      const line = { ...added, date: new Date() };
      lines.push(line);
      if (lines.length > KEPT_LINES) lines.shift();
      for (const follower of followers) follower(line);
    },
    last(count, wanted) {
      return count <= 0 ? [] : lines.filter(wanted).slice(-count);
    },
    follow(onLine) {
      followers.add(onLine);
      return () => followers.delete(onLine);
    },
  };
}
