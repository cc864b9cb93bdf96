// The program and its tests are the module; the proof is given back once every test has returned.
mod program;

fn main() {
    let mut proof = ::std::string::String::new();
    ::std::io::BufRead::read_line(&mut ::std::io::stdin().lock(), &mut proof).unwrap();
    {calls}
    ::std::io::Write::write_all(&mut ::std::io::stdout(), proof.as_bytes()).unwrap();
}
