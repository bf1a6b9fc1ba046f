# Starts a PostgreSQL of its own in a folder and stops it at the end of standard input. A line there is a signal:
# the server is stopped with it (INT is a fast shutdown, QUIT an immediate one) and started again.
# Arguments: the folder of the server's programs, the folder, the port, arguments for the server.
programs=$1 folder=$2 port=$3
shift 3
trap 'rm -rf "$folder"' EXIT
start() {
  "$programs/postgres" -D "$folder/data" -p "$port" -k "$folder" -c listen_addresses=127.0.0.1 \
    -c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_connections=200 "$@" >>"$folder/log" 2>&1 &
  server=$!
}
"$programs/initdb" -D "$folder/data" -U postgres -E UTF8 --no-locale \
  --auth-local=trust --auth-host=scram-sha-256 --pwfile="$folder/password" >"$folder/log" 2>&1
cd "$folder/data"
start "$@"
while read -r signal; do
  kill -"$signal" "$server"
  wait "$server" || true
  start "$@"
done
kill -INT "$server"
wait "$server" || true
