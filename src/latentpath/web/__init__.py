"""The web page of ``latentpath serve``. Imports run down this list.

=========== ==========================================================================================================
`server`    serves the page on a port, with its limits and its shutdown
`memory`    returns freed memory to the operating system
`page`      the Gradio page
`api`       the endpoint for programs
`events`    the handlers of clicks
`views`     strips, profiles, maps, numbers and code of a path
`solving`   the solve in a thread, with progress and cancellation
`studio`    models, folder and sessions, without a page
`sessions`  the state of every visitor
`uploads`   safe decoding of uploaded pictures
`choices`   the settings of the page, validated
=========== ==========================================================================================================
"""
