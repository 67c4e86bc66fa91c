/**
 * A shell that starts a command, hands SIGTERM and SIGINT on to it, and ends as it does. As it waits for whatever child ends, it reaps the
 * orphans that the kernel gives to process 1.
 */
const INIT = `
child= stop=
trap 'stop=1; [ -z "$child" ] || kill -TERM "$child"' TERM INT
"$@" & child=$!
[ -z "$stop" ] || kill -TERM "$child"
while :; do
  wait "$child"; code=$?
  kill -0 "$child" 2>/dev/null || exit "$code"
done`;

/**
 * As process 1 of a container, becomes a shell that runs this program once more: Node waits only for children that it started, so the orphans
 * of a container (of `tsuru app shell`, say) would stay as zombies. Returns for every other process.
 */
export function becomeInitIfFirst(): void {
  if (process.pid !== 1) return;
  const command = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  process.execve?.('/bin/sh', ['sh', '-c', INIT, 'init', ...command], process.env);
}
