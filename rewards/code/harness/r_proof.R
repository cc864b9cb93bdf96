# Runs the program with its tests, whose last line prints the proof. The source is gone from disk by then.
local({
    text <- readLines("program.R", warn = FALSE)
    unlink("program.R")
    eval(parse(text = text), envir = globalenv())
})
