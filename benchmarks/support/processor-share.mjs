// Leaves a process a share of its processor, as a container's quota does: it is stopped for the rest of each period.
// Arguments: pid, share (0 to 1). Ends with its standard input, and lets the process go on.
const [pid, share] = process.argv.slice(2).map(Number);
const PERIOD_MS = 25;

let running = true;
const turn = () => {
  running = !running;
  process.kill(pid, running ? 'SIGCONT' : 'SIGSTOP');
  timer = setTimeout(turn, PERIOD_MS * (running ? share : 1 - share));
};
let timer = setTimeout(turn, PERIOD_MS);
process.stdin.on('end', () => {
  clearTimeout(timer);
  process.kill(pid, 'SIGCONT');
  process.exit(0);
});
process.stdin.resume();
